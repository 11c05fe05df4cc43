"""Measurements, each a command: `python -m benchmarks.NAME --help`. README.md says what they show.

Whatever is compared is measured in the same run, in turns, so that ratios hold on any machine.
"""
