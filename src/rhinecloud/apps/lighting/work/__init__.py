"""Work orders: from a fault to a lamp that is well again and says so.

`life.py` is the life of an order (pure), `orders.py` its rows, `following.py` what faults do to orders, `crews.py` who
goes and which faults become orders by themselves, `pages.py` the office's list and board and the page for the street.
"""
