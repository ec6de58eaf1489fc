"""Regression of minus Levy's function; the reward, minus the mean squared error, is maximised."""

from dhmpi.benchmark.nas.regression_problem import regression_problem

Problem = regression_problem("dhmpi.benchmark.nas.levyReg.load_data:load_data")

if __name__ == "__main__":
    print(Problem)
