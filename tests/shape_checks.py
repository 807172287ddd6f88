"""What checks shapes and types while tests run; as everywhere in Python, an integer is taken for a float."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
