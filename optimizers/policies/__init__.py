"""Policies: what decides, per question, which arm answers it under a budget that all questions share."""
