from countenance.model.page import CURVE_WH, curves_of


def test_a_curve_begins_where_training_did_and_ends_where_it_is() -> None:
    curves = curves_of([{"images": 100 * (at + 1), "perceptual": 0.4 - 0.02 * at} for at in range(11)])
    (curve,) = curves
    assert curve.name == "perceptual"
    assert round(curve.first, 3) == 0.36
    assert round(curve.last, 3) == 0.24
    places = [tuple(float(number) for number in place.split(",")) for place in curve.points.split()]
    assert places[0] == (0.0, 0.0)
    assert places[-1][0] == CURVE_WH[0]
    assert 0 < places[-1][1] < CURVE_WH[1]


def test_the_margin_is_drawn_as_it_was_measured() -> None:
    curves = curves_of([{"images": 0, "margin": 0.01}, {"images": 50, "colour": 0.1}, {"images": 400, "margin": 0.02}])
    assert [(curve.name, curve.first, curve.last) for curve in curves] == [("margin", 0.01, 0.02)]
    # Half as high as the highest at first.
    assert curves[0].points == f"0.0,{CURVE_WH[1] / 2:.1f} {CURVE_WH[0]:.1f},0.0"


def test_of_too_little_there_is_no_curve() -> None:
    assert curves_of([{"images": 100, "perceptual": 0.4}]) == []
    assert curves_of([]) == []
