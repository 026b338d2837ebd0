"""The commands of ``glia`` besides the app itself. stdout is data, stderr is narration, exit codes are API."""
