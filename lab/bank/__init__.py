"""What runs inside the bank. Nothing but wire frames and small JSON texts leaves it (``lab.bank.connection``).

From a portfolio to a portrait, in order:

1. ``lab.cli.bank.commands`` reads the options (``lab.cli.bank.options``) and opens the folder (``lab.bank.home``), the
   keys (``lab.bank.keys``) and a connection (``lab.bank.connection.client``).
2. ``lab.bank.scoring.job`` scores the portfolio; every later step up to 8 returns to it.
3. ``lab.bank.contract.agreement`` verifies the contract; ``lab.bank.portfolio`` reads the records.
4. ``lab.bank.runs.store`` opens the run, or resumes it; ``lab.bank.runs.job_session`` holds what all steps work with.
5. ``lab.bank.matching.match_job`` matches: ``job_lifecycle`` opens the job, ``matcher`` fetches the set-up
   (``setup_store``), evaluates the codes (``oprf_client``, through ``job_client``) and looks them up.
6. ``lab.bank.scoring.batch_sender`` encrypts, sends (``batch_transfer``) and decrypts batches.
7. ``lab.bank.contract.checkpoint_wait`` waits for the witnesses of the bureau's ledger.
8. ``lab.bank.runs.results`` makes the table, ``lab.bank.runs.manifest`` the figures, and the run is finished. Then
   ``lab.bank.runs.delivery`` writes the file that was asked for.
9. ``lab.bank.portraits.scored_run`` opens the finished run; ``lab.bank.portraits.pages`` draws it.
"""
