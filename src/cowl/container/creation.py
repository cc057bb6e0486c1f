"""A container comes about: image and options folded together, its row, its volumes."""

from __future__ import annotations

from cowl.container.bundle import is_mapped
from cowl.container.ending import drop
from cowl.container.networks.modes import DEFAULT, is_bridged
from cowl.container.options import Settings, fold
from cowl.oci.image_config import ImageConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cowl.container.fixtures import Fixtures
    from cowl.container.options import RunOptions
    from cowl.store.container_record import ContainerRecord
    from cowl.store.images import ImageRecord
    from cowl.store.network_record import Membership
    from cowl.store.store import Store
    from cowl.store.volume_record import Claim


def create(
    store: Store, image: ImageRecord, name: str, command: Sequence[str], options: RunOptions, *, owned: bool
) -> ContainerRecord:
    """Creates a container; one that is `owned` goes with this process if that ends before it starts.

    name  the image's, as the caller gave it
    Raises InvalidOptions and other Invalid, Denied, NameInUse.
    """
    config = ImageConfig.parse(image.config_bytes)
    if options.network == DEFAULT or (options.networking is not None and options.networking.publishes):
        from cowl.container.networks.choice import with_network

        options = with_network(store, options)
    settings = fold(name, config.config, command, options)
    if settings.network.startswith("container:"):
        from cowl.container.networks.joined import settle

        settings = settle(store, settings)
    if options.confinement is not None:
        from cowl.container.confinement import check_rung
        from cowl.linux.probe import rung

        check_rung(options.confinement, rung())
    if options.limits is not None:
        from cowl.container.enforcement import check_place
        from cowl.linux.cgroups import find_place

        check_place(options.limits, find_place())
    volumes: Sequence[Claim] = ()
    if settings.mounts or options.fixtures is not None:
        from cowl.container.mounts import claims

        settings = _furnished(store, settings, options.fixtures)
        volumes = claims(settings.mounts)
    networks = memberships(store, settings)
    record = store.containers.create(
        options.name,
        str(image.id),
        [layer.key for layer in image.layers],
        settings.to_json(),
        auto_remove=options.remove,
        volumes=volumes,
        networks=networks,
        owned=owned,
    )
    if volumes:
        fill_volumes(store, record)
    return record


def memberships(store: Store, settings: Settings) -> Sequence[Membership]:
    """The networks that a new container with these settings is on. Raises NoSuchNetwork, RootNetworks."""
    if not is_bridged(settings.network):
        return ()
    from cowl.container.networks.bridge import memberships

    return memberships(store, settings)


def _furnished(store: Store, settings: Settings, asked: Fixtures | None) -> Settings:
    """With names for its own anonymous volumes, and the mounts of other containers; all can be had here.

    Raises NotFound, InvalidOptions, Denied.
    """
    from cowl.container.mount_sources import check_mounts
    from cowl.container.mounts import with_names, with_those_of

    if asked is not None and asked.devices:
        from cowl.container.devices import check_devices

        check_devices(asked.devices)
    mounts = with_names(settings.mounts)
    if asked is not None and asked.volumes_from:
        mounts = with_those_of(store, asked.volumes_from, mounts)
    check_mounts(mounts, mapped=is_mapped(settings))
    return settings.replace(mounts=mounts)


def fill_volumes(store: Store, record: ContainerRecord) -> None:
    """Makes a new container's volumes ready; see `mounts.fill_volumes`. A failure may remove it."""
    from cowl.container import mounts

    try:
        mounts.fill_volumes(store, record, Settings.from_json(record.settings).mounts)
    except BaseException:
        if record.auto_remove:
            drop(store, record)
        raise
