"""The worker process: computes one job after the other on one device, and reports to the server.

It talks over one private socket and ends when the server ends. Commands are looked at between the layers
of every evaluation, so that a cancel is heard at any size. Kept frames go to files, of which only the
description is reported.
"""
