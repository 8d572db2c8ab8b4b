"""Studies of large models: files for `seneca-sim sweep`, and what is made of their points.

``python -m workloads.studies NAME`` runs what is missing of a study and prints its tables.
"""
