# The base that a team shares: whoever builds on it brings a site, and it is checked there.
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends nginx-light && rm -rf /var/lib/apt/lists/*
COPY <<'EOF' /etc/nginx/sites-enabled/default
server {
    listen 127.0.0.1:8080;
    root /srv/www;
}
EOF
ONBUILD ARG SITE=site
ONBUILD COPY ${SITE} /srv/www
ONBUILD RUN nginx -t 2>/tmp/check && grep -q successful /tmp/check && rm /tmp/check
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
