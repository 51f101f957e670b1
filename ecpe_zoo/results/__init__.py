"""Result records and what they show: groups, statistics, evidence, significance."""
