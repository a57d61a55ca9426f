import subprocess
import sys
import threading

import numpy as np

from lightmill.pipelines import registry
from lightmill.pipelines.opencv import cv2, resized


def test_opencv_has_one_thread_in_every_thread_of_the_process():
    assert registry.BUILT_INS
    found = []
    thread = threading.Thread(target=lambda: found.append(cv2.getNumThreads()))
    thread.start()
    thread.join()
    assert [cv2.getNumThreads(), *found] == [1, 1]


def test_work_stays_in_the_thread_that_asked_for_it():
    """In a process of its own: nothing else computes there."""
    code = """
import time
import numpy as np
from lightmill.pipelines.opencv import cv2
picture = np.random.default_rng(1).integers(0, 256, (480, 640, 3), dtype=np.uint8)
cv2.bilateralFilter(picture, 5, 40, 5)
started = time.process_time(), time.thread_time()
for _ in range(60):
    cv2.bilateralFilter(picture, 5, 40, 5)
whole, own = time.process_time() - started[0], time.thread_time() - started[1]
assert whole < 1.6 * own, (whole, own)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_resized_never_asks_for_an_empty_picture():
    assert resized(np.zeros((1, 1, 3), np.uint8), 0, 0, cv2.INTER_AREA).shape == (1, 1, 3)
