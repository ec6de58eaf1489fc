"""Three-hump camel function with a penalty that can be switched off.

The objective is minimised. Optimum: 0 at x = y = 0 without the penalty. The default is the origin with the penalty,
with the objective 2.
"""

from dhmpi.space.problem import HpProblem, Optimum

OPTIMUM = Optimum({"x": 0.0, "y": 0.0, "penalty": "no"}, 0.0)

Problem = HpProblem()
Problem.add_dim(p_name="x", p_space=(-0.3, 0.3), default=0.0)
Problem.add_dim(p_name="y", p_space=(-1.0, 1.0), default=0.0)
Problem.add_dim(p_name="penalty", p_space=["no", "yes"], default="yes")

if __name__ == "__main__":
    print(Problem)
