"""HTTP for registries and builds: pools, TLS, proxies, retries; redirects take no credentials along."""
