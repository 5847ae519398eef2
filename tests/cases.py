"""Every public name's conformance cases, room by room; see `tests.case`."""

from tests.case import Case, Elsewhere
from tests.data.cases import CASES as DATA
from tests.data.town.cases import CASES as TOWN
from tests.decoders.cases import CASES as DECODERS
from tests.discriminators.cases import CASES as DISCRIMINATORS
from tests.encoders.cases import CASES as ENCODERS
from tests.events.cases import CASES as EVENTS
from tests.generators.cases import CASES as GENERATORS
from tests.layers.cases import CASES as LAYERS
from tests.losses.cases import CASES as LOSSES
from tests.metrics.cases import CASES as METRICS
from tests.optim.cases import CASES as OPTIM
from tests.training.cases import CASES as TRAINING

ROOMS: dict[str, list[Case | Elsewhere]] = {
    "data": DATA,
    "data.town": TOWN,
    "decoders": DECODERS,
    "discriminators": DISCRIMINATORS,
    "encoders": ENCODERS,
    "errors": [
        Elsewhere("errors.InputError", "tests/test_errors.py"),
        Elsewhere("errors.check_whole", "tests/test_errors.py"),
        Elsewhere("errors.printable", "tests/test_errors.py"),
        Elsewhere("errors.unwritable", "tests/test_errors.py"),
    ],
    "events": EVENTS,
    "generators": GENERATORS,
    "layers": LAYERS,
    "losses": LOSSES,
    "metrics": METRICS,
    "optim": OPTIM,
    "training": TRAINING,
}
CASES = [case for room in ROOMS.values() for case in room if isinstance(case, Case)]
ELSEWHERE = [case for room in ROOMS.values() for case in room if isinstance(case, Elsewhere)]
