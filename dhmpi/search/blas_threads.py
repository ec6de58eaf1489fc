"""Number of threads of BLAS for the matrices of a search."""


def use_one_thread() -> None:
    """Limit BLAS to one thread, for this thread or, where it cannot tell threads apart, for the whole process.

    The matrices are small, and the other cores are busy with evaluations: BLAS's threads wait for each other by
    spinning, so that a proposal of 30 ms takes 300 ms where each core has an evaluation too.
    """
    # Slow to import, and only rank 0 has a search.
    import scipy.linalg  # noqa: F401  # brings a BLAS of its own, which must be there to be limited
    from threadpoolctl import ThreadpoolController

    ThreadpoolController().limit(limits=1, user_api="blas")
