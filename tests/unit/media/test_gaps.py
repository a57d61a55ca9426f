from lightmill.media.gaps import MAX_ASKED, Gaps


def test_missing_numbers_are_asked_for_at_once_and_again_after_a_round_trip():
    gaps = Gaps()
    gaps.open(65_534, 1, 10.0)
    assert len(gaps) == 3 and gaps.noticed() == gaps.next_ask() == 10.0
    assert gaps.ask(10.0, 0.1) == [65_534, 65_535, 0]
    assert gaps.ask(10.1, 0.1) == []
    gaps.open(5, 6, 10.1)
    assert gaps.ask(10.1, 0.1) == [5]
    assert gaps.fill(65_535)
    assert gaps.ask(10.11, 0.1) == [65_534, 0]


def test_a_number_that_came_by_itself_was_not_recovered():
    gaps = Gaps()
    gaps.open(1, 2, 0.0)
    assert not gaps.fill(1)
    assert not len(gaps) and gaps.next_ask() is None


def test_what_is_given_up_is_told():
    gaps = Gaps()
    gaps.open(65_535, 1, 0.0)
    gaps.open(3, 5, 1.0)
    assert gaps.forget_before(4) == [65_535, 0, 3]
    assert gaps.noticed() == 1.0
    gaps.clear()
    assert not len(gaps)


def test_a_broken_path_is_not_asked():
    gaps = Gaps()
    gaps.open(0, MAX_ASKED + 1, 0.0)
    assert gaps.ask(0.0, 0.1) == [] and gaps.next_ask() is None
    gaps.fill(0)
    assert len(gaps.ask(0.0, 0.1)) == MAX_ASKED
