"""Secrets of the environment are found once for each variable, however many texts are masked."""

from raikit.process import secrets


def test_a_variable_is_looked_at_once_for_all_texts_and_again_when_it_changes(monkeypatch):
    secrets._secrets_of.cache_clear()
    monkeypatch.setenv("MY_TOKEN", "first-secret")
    for _ in range(50):
        assert secrets.without_secrets("first-secret second-secret") == "*** second-secret"
    looked = secrets._secrets_of.cache_info()
    assert looked.hits > 10 * looked.misses
    monkeypatch.setenv("MY_TOKEN", "second-secret")
    assert secrets.without_secrets("first-secret second-secret") == "first-secret ***"
