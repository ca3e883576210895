"""Models that other servers compute, behind the API, keys and limits of this one."""
