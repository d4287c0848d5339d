"""How one party reaches another over HTTP: addresses, certificates, and errors as problem documents."""
