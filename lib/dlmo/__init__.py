"""Deep Learning Model Optimization for edge devices: the library of the report.

Rooms, from the bottom up: `errors`, `paths`, `spec`, `machine`; `datasets`, `techniques`,
`recipes`, `deployable`; `records`, `paper`; `instruments`, `report`; the wall, left of which
TensorFlow lives: `networks`, `training`, `conversion`, `laboratory`; and on top `chapter`,
`book` and `cli`.
"""

from dlmo import tracing

tracing.begin()
