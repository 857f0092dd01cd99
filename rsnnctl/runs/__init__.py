"""Run folders, the stages of a training in them, and several trainings at a time."""
