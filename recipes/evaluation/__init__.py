"""The parts of ``recipes.evaluate``: water masks scored against labels of where water cannot, must and may be."""
