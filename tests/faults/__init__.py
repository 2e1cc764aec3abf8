"""The fault matrix: each client meets every fault at every step, on real sockets, and is judged by the saved metrics.

catalogue and sequences (data) -> layer (a server in front of the sandbox) -> clients -> judge -> report
"""
