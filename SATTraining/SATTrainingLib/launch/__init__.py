"""Runs as processes of their own: starting, finding, pausing and stopping them; job folders for clusters."""
