//! The live demo: a simulated shop, the daemon and the page in one process.

mod board;
mod customers;
mod picture;
mod script;

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use board::Board;
use customers::Customers;
pub(crate) use picture::Frame;
use script::Event;
use tokio::task::LocalSet;
use unreserve_db::demo_live::{self, Checkout};
use unreserve_db::demo_window::Window;
use unreserve_engine::shop::{ShopError, ShopErrorKind};
use unreserve_engine::sweep::Clock;

use crate::clock::ProcessClock;
use crate::daemon;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::opening::{self, shop_failure};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::web::Bound;

/// The story that is told.
const SEED: u64 = 1;

/// How often the shop is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// A shop that is open, with its first customers in it.
pub(crate) struct Live {
    customers: Customers,
    first: Event,
    window: Window,
    board: Rc<RefCell<Board>>,
}

impl Live {
    /// Makes the shop, sets it up, gives it a past and lets the first customers in.
    ///
    /// # Errors
    /// Another file is in the way, or the place cannot be written.
    pub(crate) async fn open(database: &Path, settings: &Settings, speed: u32) -> Result<Self, Failure> {
        let failed = |error: ShopError| shop_failure(&error, "cannot make the demo shop");
        opening::connect(settings).await?.install().await.map_err(failed)?;
        demo_live::remember(database).await.map_err(failed)?;
        let checkout = Checkout::open(database).await.map_err(failed)?;
        let window = Window::open(database).await.map_err(failed)?;
        let board = Rc::new(RefCell::new(Board::default()));
        let mut customers = Customers::new(checkout, SEED, speed, Rc::clone(&board));
        let first = customers.open().await.map_err(failed)?;
        Ok(Self { customers, first, window, board })
    }

    /// Lets customers come and go, watches the shop with the daemon and tells of it, until a signal ends it.
    ///
    /// # Errors
    /// The daemon cannot go on, the shop cannot be read any more, or nobody reads what is told.
    pub(crate) async fn run(
        mut self,
        page: Bound,
        settings: Settings,
        frame: &Frame,
        printer: &Printer,
    ) -> Result<Exit, Failure> {
        let board = Rc::clone(&self.board);
        let mut teller = Teller { window: self.window, board: self.board, printer, frame, painted: String::new() };
        let ended = LocalSet::new()
            .run_until(Box::pin(async {
                tokio::select! {
                    ended = Box::pin(daemon::serve_one(settings, page)) => ended,
                    () = self.customers.go_on(self.first) => Ok(Exit::Done),
                    ended = teller.go_on() => ended,
                }
            }))
            .await?;
        // What happened since the last look is in the ledger by now.
        teller.look(Duration::ZERO).await?;
        teller.window.close().await;
        self.customers.close().await;
        printer.result(&format!("\nEnded.\n{}", picture::figures(&board.borrow())))?;
        Ok(ended)
    }
}

/// Looks at the shop and tells of it.
struct Teller<'a> {
    window: Window,
    board: Rc<RefCell<Board>>,
    printer: &'a Printer,
    frame: &'a Frame,
    /// What stands on the terminal.
    painted: String,
}

impl Teller<'_> {
    async fn go_on(&mut self) -> Result<Exit, Failure> {
        let clock = ProcessClock::new();
        loop {
            self.look(clock.elapsed()).await?;
            self.tell()?;
            clock.sleep(LOOK).await;
        }
    }

    async fn look(&mut self, at: Duration) -> Result<(), Failure> {
        match self.window.look().await {
            Ok(view) => {
                self.board.borrow_mut().see(at, view);
                Ok(())
            }
            // Somebody else has the file: there is another look soon.
            Err(error) if matches!(error.kind, ShopErrorKind::Retry | ShopErrorKind::LockTimeout) => Ok(()),
            Err(error) => Err(shop_failure(&error, "cannot look at the demo shop any more")),
        }
    }

    fn tell(&mut self) -> Result<(), Failure> {
        if self.printer.stdout_is_terminal() {
            let text = picture::whole(self.frame, &self.board.borrow());
            if text != self.painted {
                self.printer.repaint(&text)?;
                self.painted = text;
            }
            return Ok(());
        }
        let lines = self.board.borrow_mut().take();
        if !lines.is_empty() {
            let lines: Vec<String> = lines.iter().map(picture::line).collect();
            self.printer.result(&lines.join("\n"))?;
        }
        Ok(())
    }
}

/// What is said before anything happens.
pub(crate) fn opening_words(frame: &Frame, database: &Path) -> String {
    picture::opening(frame, &database.display().to_string())
}
