import math

from procwm.plant.samples import Quality, Sample
from procwm_adapters.inbox import Inbox


def sample(time_ns, value=1.0, tag="a", quality=Quality.GOOD):
    return Sample(tag, value, quality, time_ns)


def test_samples_leave_in_order_of_source_time_and_once():
    inbox = Inbox(10)
    for time_ns in (3, 1, 2):
        inbox.put(sample(time_ns))
    assert [s.source_ns for s in inbox.drain()] == [1, 2, 3]
    assert inbox.drain() == []


def test_the_oldest_are_dropped_and_counted_when_nobody_drains():
    inbox = Inbox(3)
    for time_ns in range(5):
        inbox.put(sample(time_ns))
    assert [s.source_ns for s in inbox.drain()] == [2, 3, 4]
    assert inbox.dropped == 2


def test_a_sample_sent_again_is_taken_once():
    inbox = Inbox(10)
    for value, quality in ((1.0, Quality.GOOD), (math.nan, Quality.BAD)):
        inbox.put(sample(5, value, quality=quality))
        inbox.put(sample(5, value, quality=quality))
    assert len(inbox.drain()) == 2


def test_a_missed_older_sample_is_still_taken():
    inbox = Inbox(10)
    inbox.put(sample(9))
    inbox.put(sample(5))
    assert [s.source_ns for s in inbox.drain()] == [5, 9]


def test_an_affirmation_counts_only_when_it_is_newer_than_what_is_known():
    inbox = Inbox(10)
    inbox.put(sample(5))
    inbox.affirm(sample(5))
    inbox.affirm(sample(4))
    inbox.affirm(sample(6))
    assert [s.source_ns for s in inbox.drain()] == [5, 6]
