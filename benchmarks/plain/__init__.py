"""The plain form of the flagship's work: the same mathematics as anybody would write it first, in fp32.

What the fast form is compared with, in time, memory and results. It takes its networks from a recipe
(`benchmarks.plain.networks.plain_copy`), so that both have the same weights:

- `layers`, `painter`: spectral norm by hand, SPADE with separate convolutions for gamma and beta, the condition
  resized in every norm.
- `optimiser`: ExtraAdam, one parameter after the other.
- `step`: one forward pass of all domains and one backward pass of the sum; the critics' update computes again
  whatever it needs.
- `events`: wildfire by a dense blur and shift-by-shift growth; all events of a photo.
"""
