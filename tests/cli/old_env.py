"""A `.env` as teams have it: 60 keys, and a line that can't be read. Its secrets hold CANARY."""

from __future__ import annotations

from tests.cli.conftest import CANARY

LINE: int = 46
"""The line that can't be read."""

_LINES = rf"""# Shop, production

APP_NAME="Shop of things"
DEBUG=false
TESTING=False
VERBOSE=yes
MAINTENANCE=off
PORT=8000
WORKERS=4
OFFSET=-1
ACCOUNT=123456789012
PHONE=+4915112345678
ZIP=01234
RATIO=0.75
GROUPED=1_000
EMPTY=
EMPTY_TOKEN=
QUOTED_EMPTY=""
export REGION='eu-central-1'
export LOG_LEVEL=info   # a comment
GREETING='it\'s "fine"'
MESSAGE="tab\there, \"quoted\", $HOME and `id` $(id)!"
LINES="first
second"
CITY=Köln
PATTERN='^[a-z]+\.$'
HOSTS='["a.example", "b.example"]'
ORIGINS=a.example,b.example
CLASS=main
COPY=1
MODEL_CONFIG=x
SCHEMA=public
_LEADING=under
2FA=true
my-name=dashed
log.level=dotted
Foo=mixed
DATA=/srv/app
DATA_DIR=${{DATA}}/data
CACHE_DIR="${{XDG_CACHE_HOME:-/var/cache}}/shop"
UID=1000
PRICE=$5

DB_HOST=db.internal
DB_PORT=5432
DB_NAME="shop"-x
DB_USER=app
DB_PASSWORD="old"
DB_PASSWORD="{CANARY} w0rd$"
DATABASE_URL=postgresql://${{DB_USER}}:${{DB_PASSWORD}}@${{DB_HOST}}:${{DB_PORT}}/shop
REPLICA_URL=${{DATABASE_URL}}?mode=ro
REDIS_PASSWORD={CANARY}-redis
REDIS_URL='redis://:${{REDIS_PASSWORD}}@cache/0'
SECRET_KEY='{CANARY}#$%^&*()'
JWT_PRIVATE_KEY="-----BEGIN PRIVATE KEY-----
{CANARY}+/MIIEvQIBADANBgkqhkiG9w0BAQEFAASC
-----END PRIVATE KEY-----
"
STRIPE_API_KEY=sk_live_{CANARY}
STRIPE_PUBLISHABLE_KEY=pk_1
CRM_CLIENT_ID=3MVG9
CRM_CLIENT_SECRET={CANARY}\n
PIN_TOKEN=0042
SENTRY_DSN=https://{CANARY}:x@sentry.example/1
AUTH_TOKEN="Bearer ${{STRIPE_API_KEY}}"
OUT_TOKEN=${{ELSEWHERE}}-{CANARY}
SUPPORT=help@shop.example
BARE
"""

OLD_ENV: str = _LINES.replace("\n", "\r\n")
