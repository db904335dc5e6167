"""Settings that stay fresh: refreshed in the background, read without a lock."""

from vaultconfig.live.change import Change
from vaultconfig.live.health import Health
from vaultconfig.live.settings import LiveSettings, check_live

__all__ = ["Change", "Health", "LiveSettings", "check_live"]
