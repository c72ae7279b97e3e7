"""The parts of `bench/dashboard.py`: what is seeded, what is asked, who answers, and how it is measured."""
