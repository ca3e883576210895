"""One configuration becomes what Compose, Kubernetes or systemd run: checks, renderings, plans, rollouts.

Renderers are pure: the same configuration gives the same bytes. Effects are behind `Target`, and in `cli`.
"""
