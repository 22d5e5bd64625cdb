"""Tuning of trained models: functions over records and parameters, trained by the one loop."""
