"""Multilayer perceptron on handwritten digits.

The objective, minus the accuracy on the validation part, is minimised. Optimum: unknown; -1 is a bound. Some dimensions
matter to one solver only, as noted.
"""

from dhmpi.space.problem import HpProblem

Problem = HpProblem()
Problem.add_dim(p_name="num_layers", p_space=(1, 3), default=1)
Problem.add_dim(p_name="num_units", p_space=(8, 256, "log-uniform"), default=32)
Problem.add_dim(p_name="activation", p_space=["relu", "tanh", "logistic", "identity"], default="relu")
Problem.add_dim(p_name="solver", p_space=["adam", "sgd", "lbfgs"], default="adam")
Problem.add_dim(p_name="num_epochs", p_space=(5, 20), default=10)
Problem.add_dim(p_name="alpha", p_space=(1e-6, 1e-1, "log-uniform"), default=1e-4)
Problem.add_dim(p_name="batch_size", p_space=(16, 256, "log-uniform"), default=64)  # adam, sgd
Problem.add_dim(p_name="learning_rate", p_space=(1e-4, 1e-1, "log-uniform"), default=1e-3)  # adam, sgd
Problem.add_dim(
    p_name="learning_rate_schedule", p_space=["constant", "invscaling", "adaptive"], default="constant"
)  # sgd
Problem.add_dim(p_name="momentum", p_space=(0.0, 0.99), default=0.9)  # sgd
Problem.add_dim(p_name="beta_1", p_space=(0.5, 0.99), default=0.9)  # adam

if __name__ == "__main__":
    print(Problem)
