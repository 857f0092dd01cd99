"""ESP-IDF: a component, for a project's `components` folder."""

from export.package import Package

PACKAGE = Package(
    description="a component of ESP-IDF",
    files={
        "CMakeLists.txt": "esp_idf.cmake",
        "idf_component.yml": "idf_component.yml",
    },
)
