"""What can go wrong at the door: submitting, reading, connecting.

ReelmillError
├── SpecError                    a job, setting or argument that cannot be right
│   ├── SettingsError            a REELMILL_… variable that is unknown or has a bad value
│   ├── UnknownSchemeError       a URI that is neither s3:// nor file://
│   ├── ManifestError            a manifest or batch file that cannot be read, or has no line of use
│   ├── LabelledFileError        a file with truth for `reelmill eval` that cannot be understood
│   ├── UnknownModelError        no worker has ever served this model
│   ├── CronError                not a cron expression, or one that never comes
│   ├── UnknownTimezoneError     not the name of a time zone
│   └── NameTakenError           a schedule has this name already
├── NotFoundError                no such job, batch or schedule
├── ScheduleBusyError            the schedule's last batch is not done, and its overlap is refused
├── DatabaseUnavailableError     Postgres does not answer
├── DatabaseForbiddenError       the database role may not do this
├── RoleError                    a database role that cannot be granted anything
├── BrokerUnavailableError       Redis does not answer
├── SchemaOutOfDateError         migrations not run, or newer than this code
├── WaitTimeoutError             .wait(timeout=…) ran out
├── NoResultsError               the job has not succeeded (yet)
├── LocalWorkerError             the worker that a command started for itself has ended
├── EmbeddedServicesError        the embedded Postgres or Redis did not start
├── MissingExtraError            this command needs an extra that is not installed
├── ArchiveError                 an archive cannot be listed: no such bucket, no right to list it
│   ├── ArchiveUnavailableError  transient: the storage does not answer
│   └── ScanStalledError         whoever listed it was lost, again and again
├── AddressError                 the live page's port is taken, or its host is none of this machine's
├── PictureError                 a frame cannot be shown: its media is gone, replaced or unreadable from here
├── ExportError                  a file cannot be written
└── ExportStalledError           whoever wrote a batch's results below a prefix was lost, again and again
"""

from __future__ import annotations

from reelmill.schema.errors import ReelmillError as ReelmillError
from reelmill.schema.errors import SpecError as SpecError


class SettingsError(SpecError):
    code = "settings_invalid"


class UnknownSchemeError(SpecError):
    code = "uri_scheme_unknown"
    advice = "Use s3://bucket/key, or file:///path on workers that allow it (REELMILL_FILE_ROOTS)"


class ManifestError(SpecError):
    code = "manifest_invalid"


class LabelledFileError(SpecError):
    code = "labels_invalid"
    advice = "docs/eval.md has the format"


class UnknownModelError(SpecError):
    code = "model_unknown"


class CronError(SpecError):
    code = "cron_invalid"
    advice = 'Five fields: minute, hour, day of month, month, day of week; "0 2 * * *" is every night at two'


class UnknownTimezoneError(SpecError):
    code = "timezone_unknown"
    advice = "Use a name of the IANA database, like Europe/Berlin or UTC"


class NameTakenError(SpecError):
    code = "name_taken"


class ScheduleBusyError(ReelmillError):
    code = "schedule_busy"
    transient = True


class NotFoundError(ReelmillError):
    code = "not_found"


class DatabaseUnavailableError(ReelmillError):
    code = "database_unavailable"
    transient = True
    advice = "Start it (`reelmill up` for the embedded one) or set REELMILL_DATABASE_URL"


class DatabaseForbiddenError(ReelmillError):
    code = "database_forbidden"
    advice = "Connect with a role that may; the owner of the tables gives rights with `reelmill grant`"


class RoleError(SpecError):
    code = "role_invalid"


class BrokerUnavailableError(ReelmillError):
    code = "broker_unavailable"
    transient = True
    advice = "Start it (`reelmill up` for the embedded one) or set REELMILL_REDIS_URL"


class SchemaOutOfDateError(ReelmillError):
    code = "schema_out_of_date"
    advice = "Run `reelmill migrate`"


class WaitTimeoutError(ReelmillError):
    code = "wait_timeout"


class NoResultsError(ReelmillError):
    code = "no_results"


class LocalWorkerError(ReelmillError):
    code = "local_worker_ended"


class EmbeddedServicesError(ReelmillError):
    code = "embedded_services_failed"


class MissingExtraError(ReelmillError):
    code = "extra_missing"


class ArchiveError(ReelmillError):
    code = "archive_unreadable"


class ArchiveUnavailableError(ArchiveError):
    code = "archive_unavailable"
    transient = True


class ScanStalledError(ArchiveError):
    code = "scan_stalled"
    advice = "Look at the logs of the workers, then `reelmill retry` the batch: it goes on where it stopped"


class AddressError(ReelmillError):
    code = "address_unavailable"
    advice = "Name another with --port or --host; --port 0 takes any that is free"


class PictureError(ReelmillError):
    code = "picture_unavailable"
    advice = "Give the picture yourself: `.draw(image=…)`"


class ExportError(ReelmillError):
    code = "export_failed"


class ExportStalledError(ReelmillError):
    code = "export_stalled"
    advice = "Look at the logs of the workers, then `reelmill export-to` again: it goes on where it stopped"
