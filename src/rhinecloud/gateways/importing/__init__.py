"""Import of files: CSV, GeoJSON, NDJSON, through a mapping, into any NGSI-LD broker over HTTP.

It offers `command.add_arguments` and `command.run`. Nothing here reaches inside: an import works from any machine
that can call the API. The reference of mapping files is docs/reference/import-mapping.md.
"""
