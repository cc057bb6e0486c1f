"""The distribution spec, pulling: places to try, transport, authorisation, verified streams.

Imported only when a registry is used: urllib3 and TLS cost 70 ms and more.
"""
