"""Pictures of what the evaluations found: PNG bytes from reports. The only place of evaluation that plots."""
