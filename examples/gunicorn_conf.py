"""Settings of gunicorn for examples/flask_app.py: one model in memory for all worker processes.

gunicorn --config examples/gunicorn_conf.py --chdir examples flask_app:app
"""

import os

# The model is opened before the fork, and all workers share its memory.
preload_app = True
workers = os.cpu_count() or 1
# Each worker ends after about so many requests, and a new one takes its place.
max_requests = 10_000
max_requests_jitter = 1_000
