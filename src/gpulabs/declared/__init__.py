"""Networks and training plans as plain values: what a student hands in of Lab 6, and nothing of it is ever executed.

read_network, Network    layers from images to the probabilities of classes     (gpulabs.declared.network)
read_plan, Plan          optimizer, learning rate over time, precision, ...      (gpulabs.declared.plan)
LAB_NETWORK              the CNN of the labs in these terms
compile_model, train     the Keras model, compiled as planned; trained           (gpulabs.declared.training)
"""

from gpulabs.declared.network import LAB_NETWORK, Network, read_network
from gpulabs.declared.plan import Plan, read_plan
from gpulabs.declared.training import compile_model, train

__all__ = ["LAB_NETWORK", "Network", "Plan", "compile_model", "read_network", "read_plan", "train"]
