"""The committee: networks, their training, calibration and scoring."""
