"""CIFAR-10; the reward, the validation accuracy, is maximised."""

from dhmpi.benchmark.nas.classification_problem import GOOGLE_NAS_NET, NUM_EPOCHS, NasNetProblem, classification_problem

Problem = classification_problem(
    "dhmpi.benchmark.nas.cifar10.load_data:load_data",
    GOOGLE_NAS_NET,
    batch_size=100,
    learning_rate=0.001,
    num_epochs=NUM_EPOCHS,
    kind=NasNetProblem,
)

if __name__ == "__main__":
    print(Problem)
