"""Two small classes for the tests of scopes."""


class Leaf:
    def __init__(self, value: int = 0):
        self.value = value


class Pair:
    def __init__(self, first: object = None, second: object = None):
        self.first, self.second = first, second
