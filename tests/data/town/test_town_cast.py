"""Casting against closed forms: planes, spheres, boxes, cylinders seen along single rays."""

import numpy as np
import pytest

from gancomponents.data.town import cast as casting
from gancomponents.data.town.camera import Camera, mirror, photograph
from gancomponents.data.town.cast import Hits, cast
from gancomponents.data.town.solids import Cut, Material, Solids

LOOK = {"material": Material.PLAIN, "kind": "thing", "colour": (0.5, 0.5, 0.5)}


def camera(size: int = 65, **pose: float) -> Camera:
    """A camera at eye height whose middle pixel looks straight ahead."""
    settings = {"yaw": 0.0, "pitch": 0.0, "fov": 1.2, **pose}
    return photograph(size, size, origin=np.array([0.0, 1.6, 0.0]), supersample=False, **settings)


def seen(solids: Solids, eye: Camera) -> Hits:
    return cast(solids.compile(), eye)


def test_depth_of_the_ground_is_height_over_the_tangent_of_the_angle() -> None:
    solids = Solids()
    solids.box((0, -1, 0), (5000, 1, 5000), **LOOK)
    eye = camera()
    hits = seen(solids, eye)
    down = eye.v < -1e-3
    expected = 1.6 / -eye.v[down].astype(np.float64)
    near = expected < 4000
    depth = 1 / hits.inverse[down][near]
    np.testing.assert_allclose(depth, np.repeat(expected[near][:, None], 65, axis=1), rtol=1e-5)
    assert (hits.surface[eye.v > 1e-3] == -1).all()


def test_depth_is_along_the_optical_axis_not_along_the_ray() -> None:
    solids = Solids()
    solids.box((0, 0, 30), (100, 100, 10), **LOOK)
    np.testing.assert_allclose(1 / seen(solids, camera()).inverse, 20.0, rtol=1e-5)


@pytest.mark.parametrize("few", [0, 10**9])
def test_a_sphere_is_hit_where_the_quadratic_formula_says(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(casting, "_FEW", few)  # once alone, once in the common list
    solids = Solids()
    solids.ellipsoid((0.5, 2.0, 8.0), (1.5, 1.5, 1.5), **LOOK)
    eye = camera(yaw=0.1, pitch=-0.05)
    hits = seen(solids, eye)
    x, y, z = (d.astype(np.float64) for d in eye.directions())
    offset = eye.origin - np.array([0.5, 2.0, 8.0])
    a = x**2 + y**2 + z**2
    b = offset[0] * x + offset[1] * y + offset[2] * z
    root = b**2 - a * (offset @ offset - 1.5**2)
    # A ray that all but touches the outline may fall to either side in single precision.
    clear = np.abs(root) > 1e-3
    np.testing.assert_array_equal((hits.inverse > 0)[clear], (root > 0)[clear])
    inside = clear & (root > 0)
    expected = (-b[inside] - np.sqrt(root[inside])) / a[inside]
    np.testing.assert_allclose(1 / hits.inverse[inside], expected, rtol=1e-4)


def test_both_ways_of_casting_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    solids = Solids()
    generator = np.random.default_rng(3)
    for _ in range(60):
        x, y, z = generator.uniform((-6, 0, 4), (6, 4, 30))
        turn = generator.uniform(0, 6.28)
        yaw, half = (np.cos(turn), np.sin(turn)), generator.uniform(0.1, 1.2, 3)
        shape = generator.integers(4)
        if shape == 0:
            solids.box((x, y, z), half, yaw=yaw, taper=0.1, **LOOK)
        elif shape == 1:
            solids.ellipsoid((x, y, z), half, yaw=yaw, **LOOK)
        elif shape == 2:
            solids.cylinder((x, y, z), half, axis=int(generator.integers(3)), yaw=yaw, **LOOK)
        else:
            solids.ellipsoid((x, y, z), half, seed=0.3, cut=Cut.LEAVES, cut_scale=0.2, **LOOK)
    geometry, eye = solids.compile(), camera(97)
    monkeypatch.setattr(casting, "_FEW", 0)
    one = cast(geometry, eye)
    monkeypatch.setattr(casting, "_FEW", 10**9)
    many = cast(geometry, eye)
    assert (one.surface != many.surface).mean() < 2e-3
    same = one.surface == many.surface
    np.testing.assert_allclose(one.inverse[same], many.inverse[same], rtol=2e-3)


def test_the_nearer_solid_hides_the_farther() -> None:
    solids = Solids()
    solids.box((0, 1.6, 20), (4, 4, 1), **LOOK)
    solids.box((0, 1.6, 10), (1, 1, 1), **LOOK)
    middle = seen(solids, camera())
    assert 1 / middle.inverse[32, 32] == pytest.approx(9.0, rel=1e-5)
    assert 1 / middle.inverse[32, 32 + 8] == pytest.approx(19.0, rel=1e-5)


def test_surfaces_name_the_face_that_was_hit() -> None:
    solids = Solids()
    solids.box((0, 1.6, 10), (1, 1, 1), **LOOK)
    geometry = solids.compile()
    face = int(cast(geometry, camera()).surface[32, 32])
    np.testing.assert_allclose(geometry.planes[face, :3], [0, 0, -1])


def test_a_cylinder_has_caps_and_a_round_side() -> None:
    solids = Solids()
    solids.cylinder((0, 0.5, 6), (1, 0.5, 1), axis=1, **LOOK)
    geometry, eye = solids.compile(), camera(129)
    hits = cast(geometry, eye)
    x, y, z = eye.directions()
    depth = 1 / np.maximum(hits.inverse, 1e-6)
    px, py, pz = x * depth, 1.6 + y * depth, z * depth
    cap = (hits.surface >= 0) & (hits.surface < len(geometry.planes))
    side = hits.surface >= len(geometry.planes)
    assert cap.sum() > 50
    assert side.sum() > 50
    np.testing.assert_allclose(py[cap], 1.0, atol=1e-4)
    np.testing.assert_allclose(np.hypot(px[side], pz[side] - 6), 1.0, atol=2e-3)


def test_a_solid_around_the_camera_is_not_seen() -> None:
    solids = Solids()
    solids.box((0, 1.6, 0), (1, 1, 1), **LOOK)
    assert not seen(solids, camera()).inverse.any()


def test_a_box_beside_the_camera_reaches_the_edge_of_the_picture() -> None:
    solids = Solids()
    solids.box((3, 1.6, 0), (1, 5, 50), **LOOK)
    hits = seen(solids, camera())
    assert (hits.surface[:, -1] >= 0).all()
    assert 1 / hits.inverse[32, -1] == pytest.approx(2 / float(camera().u[-1]), rel=1e-5)


def test_leaves_and_pickets_leave_gaps() -> None:
    for cut, make in ((Cut.LEAVES, "ellipsoid"), (Cut.PICKETS, "box")):
        counts = []
        for chosen in (Cut.NONE, cut):
            solids = Solids()
            getattr(solids, make)((0, 1.6, 6), (2, 1, 0.1), cut=chosen, cut_scale=0.3, **LOOK)
            counts.append(int((seen(solids, camera()).surface >= 0).sum()))
        assert 0.4 * counts[0] < counts[1] < 0.95 * counts[0]


def test_a_mirror_shows_what_stands_above_it_upside_down() -> None:
    solids = Solids()
    solids.box((0, 2, 10), (1, 2, 1), **LOOK)
    eye, level = camera(129), 0.5
    surface = eye.directions()[1] / np.float32(level - 1.6)
    hits = cast(solids.compile(), mirror(eye, level), behind=surface)
    rise = eye.directions()[1]
    found = hits.inverse > 0
    assert found.sum() > 100
    depth = 1 / hits.inverse[found]
    assert (depth >= 1 / surface[found] - 1e-4).all()
    # The reflected ray turns at the level: height = level + (level - where the straight ray would be).
    height = 2 * level - (1.6 + rise[found] * depth)
    assert height.min() >= level - 1e-3
    assert height.max() <= 4 + 1e-3
