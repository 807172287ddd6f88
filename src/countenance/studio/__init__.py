"""The studio: the whole job by mouse, on a page that this computer serves to itself.

Every page goes through the steps and documents that the command line uses; what takes long is a job
(`countenance.jobs`).
"""
