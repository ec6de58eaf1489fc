"""Regression of the sum of the inputs; the reward, minus the mean squared error, is maximised."""

from dhmpi.benchmark.nas.regression_problem import regression_problem

Problem = regression_problem("dhmpi.benchmark.nas.linearReg.load_data:load_data", num_epochs=10)

if __name__ == "__main__":
    print(Problem)
