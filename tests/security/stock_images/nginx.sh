#!/bin/sh
# As root: adjusts the site's configuration where it may, then runs nginx, which makes its caches,
# gives them to the user of its workers, and binds port 80.
set -e
site=/etc/nginx/conf.d/default.conf
if touch "$site" 2>/dev/null; then
  sed -i "s/listen [0-9]*;/listen ${NGINX_PORT:-80};/" "$site"
fi
exec "$@"
