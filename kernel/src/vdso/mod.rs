//! The vDSO, `vdso(7)`: an ELF image with functions that tell the time without a system call, and before it a page with what they need.

mod elf;
mod image;
mod scale;

use alloc::string::String;
use alloc::sync::Arc;

use abi::Errno;
use kcore::addr::{GuestAddr, PAGE_SIZE};
use kcore::frame::{Frame, FrameStore};
use kcore::host::{Clock, ScaleSink};
use kcore::mappable::{Mappable, MappableInfo, MappingObserver};
use mm::{AddressSpace, FileMapping, MmapRequest, Prot};

use scale::ScalePage;

/// A kernel's vDSO: the same two pages for all processes.
pub(crate) struct Vdso {
    scale: Arc<ScalePage>,
    image: Arc<Image>,
}

struct Image(Frame);

impl Vdso {
    /// One whose page follows `clock`. Errors: `ENOMEM`.
    pub(crate) fn new(store: &Arc<dyn FrameStore>, clock: &dyn Clock) -> Result<Vdso, Errno> {
        let scale = Arc::new(ScalePage::new(store)?);
        let image = Frame::alloc(store)?;
        image.write(0, &image::build());
        let sink: Arc<dyn ScaleSink> = scale.clone();
        clock.share(Arc::downgrade(&sink));
        Ok(Vdso { scale, image: Arc::new(Image(image)) })
    }
    /// Maps both pages, and returns where the image is (`AT_SYSINFO_EHDR`). Errors: `ENOMEM`.
    pub(crate) fn map(&self, mm: &AddressSpace) -> Result<GuestAddr, Errno> {
        let start =
            mm.mmap(MmapRequest { len: 2 * PAGE_SIZE, prot: Prot::NONE, ..MmapRequest::default() })?;
        let image = start.checked_add(PAGE_SIZE).ok_or(Errno::ENOMEM)?;
        // A debugger puts breakpoints into its own copy of the code; the other page is for nobody to write.
        let all = Prot::READ | Prot::WRITE | Prot::EXEC;
        map_page(mm, start, self.scale.clone(), Prot::READ, Prot::READ, "[vvar]")?;
        map_page(mm, image, self.image.clone(), Prot::READ | Prot::EXEC, all, "[vdso]")?;
        Ok(image)
    }
}

fn map_page(
    mm: &AddressSpace,
    addr: GuestAddr,
    object: Arc<dyn Mappable>,
    prot: Prot,
    max_prot: Prot,
    name: &'static str,
) -> Result<(), Errno> {
    let file = Some(FileMapping { object, offset: 0, max_prot, owner: None });
    let name = Some(name);
    mm.mmap(MmapRequest { addr, len: PAGE_SIZE, prot, fixed: true, file, name, ..MmapRequest::default() })?;
    Ok(())
}

impl Mappable for Image {
    fn page(&self, offset: u64, _write: bool) -> Result<Frame, Errno> {
        self.resident_page(offset).ok_or(Errno::EFAULT)
    }
    fn resident_page(&self, offset: u64) -> Option<Frame> {
        (offset == 0).then(|| self.0.clone())
    }
    fn observe(&self, _: &Arc<dyn MappingObserver>) {}
    fn info(&self) -> MappableInfo {
        MappableInfo { name: String::from("[vdso]"), ..MappableInfo::default() }
    }
}
