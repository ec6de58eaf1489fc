"""Handwritten digits that scikit-learn brings along; the reward, the validation accuracy, is maximised."""

from dhmpi.benchmark.nas.classification_problem import ANL_MLP_2, classification_problem

Problem = classification_problem(
    "dhmpi.benchmark.nas.digitsNas.load_data:load_data", ANL_MLP_2, batch_size=32, learning_rate=0.001, num_epochs=20
)

if __name__ == "__main__":
    print(Problem)
