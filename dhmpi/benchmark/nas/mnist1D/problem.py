"""MNIST as rows of pixels, a tenth of it; the reward, the validation accuracy, is maximised."""

from dhmpi.benchmark.nas.classification_problem import ANL_MLP_2, classification_problem

Problem = classification_problem(
    "dhmpi.benchmark.nas.mnist1D.load_data:load_data", ANL_MLP_2, batch_size=128, learning_rate=0.01, num_epochs=10
)

if __name__ == "__main__":
    print(Problem)
