"""The running requests of a replica, in the engine's order, with cheap ways in and out."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from sim.request import Request


class Running(list[Request]):
    """A list of requests by their ``order``, a number that each has for itself; changed by these methods only.

    The numbers are kept beside the requests, so that finding one's place compares integers.
    """

    __slots__ = ("_orders",)

    def __init__(self) -> None:
        super().__init__()
        self._orders: list[int] = []

    def add(self, request: Request) -> None:
        orders, order = self._orders, request.order
        if orders and orders[-1] > order:
            place = bisect_left(orders, order)
            orders.insert(place, order)
            self.insert(place, request)
        else:
            orders.append(order)
            self.append(request)

    def place_of(self, request: Request) -> int:
        return bisect_left(self._orders, request.order)

    def discard(self, request: Request) -> None:
        """Takes out ``request``, which must be there."""
        place = bisect_left(self._orders, request.order)
        del self._orders[place]
        del self[place]

    def renumber(self, requests: Iterable[Request]) -> None:
        """From now on these run, in this order."""
        self[:] = requests
        self._orders[:] = range(len(self))
        for order, request in enumerate(self):
            request.order = order

    def clear(self) -> None:
        super().clear()
        self._orders.clear()
