from interlock.checkpoints.postgresql.patience import Patience


class Watch:
    """A clock in seconds that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_all_that_wait_give_up_together() -> None:
    """Who comes last in an outage waits for what is left of it, and then no more."""
    watch = Watch()
    patience = Patience(60, now=watch)
    assert patience.may_wait()
    watch.seconds += 25
    assert patience.may_wait()
    watch.seconds += 30
    assert patience.may_wait()
    watch.seconds += 6
    assert not patience.may_wait()
    watch.seconds += 20
    assert not patience.may_wait()


def test_an_answer_ends_the_outage() -> None:
    """Once the server has answered, the next outage is waited for as long as the first."""
    watch = Watch()
    patience = Patience(60, now=watch)
    assert patience.may_wait()
    watch.seconds += 20
    patience.note_answer()
    watch.seconds += 59
    assert patience.may_wait()
    watch.seconds += 25
    assert patience.may_wait()


def test_an_outage_that_nobody_saw_the_end_of_is_over() -> None:
    """Who comes an hour after all others have given up waits from the beginning."""
    watch = Watch()
    patience = Patience(60, now=watch)
    for _ in range(3):
        patience.may_wait()
        watch.seconds += 29
    assert not patience.may_wait()
    watch.seconds += 3600
    assert patience.may_wait()
