"""The wheel's one step that pyproject.toml cannot say: the folder configs/ goes into the package."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConfigs(build_py):
    """Copies configs/ to ecpe_zoo/configs. An editable install finds the folder beside the package."""

    def run(self):
        """Build the package, then add the configs."""
        super().run()
        for source, target in self._configs():
            target.parent.mkdir(parents=True, exist_ok=True)
            self.copy_file(str(source), str(target))

    def get_outputs(self, include_bytecode=True):
        """All files of the package."""
        return super().get_outputs(include_bytecode) + [str(target) for _, target in self._configs()]

    def _configs(self):
        files = [] if self.editable_mode else sorted(Path("configs").rglob("*.yaml"))
        return [(path, Path(self.build_lib, "ecpe_zoo", path)) for path in files]


setup(cmdclass={"build_py": BuildWithConfigs})
