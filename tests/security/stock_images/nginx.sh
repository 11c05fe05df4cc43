#!/bin/sh
# As root: writes a site's configuration, then runs nginx, which makes its caches, gives them to the
# user of its workers, and binds port 80.
set -e
echo "server { listen ${NGINX_PORT:-80}; location / { return 200 nginx; } }" >/etc/nginx/conf.d/default.conf
exec "$@"
